import type { RepoName, Tag } from "../../reference/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/types.ts";
import type { ListOptions, ReferrersOptions, RegistryLister } from "../registry.ts";
import type { Fallback } from "./fallback.ts";
import type { Targets } from "./targets.ts";

/** Lists at the one endpoint that may be asked for lists; for referrers, at the first endpoint that answers. */
export class RoutedLister implements RegistryLister {
  readonly name: string;
  readonly #targets: Targets;
  readonly #fallback: Fallback;

  constructor(targets: Targets, fallback: Fallback) {
    this.name = targets.name;
    this.#targets = targets;
    this.#fallback = fallback;
  }

  async *repositories(options?: ListOptions): AsyncGenerator<RepoName> {
    const { registry } = await this.#targets.first("list");
    yield* registry.repositories(options);
  }

  async *tags(repo: RepoName, options?: ListOptions): AsyncGenerator<Tag> {
    const { registry, endpoint } = await this.#targets.first("list", repo);
    yield* registry.tags(endpoint.repo, options);
  }

  async *referrers(repo: RepoName, digest: Digest, options?: ReferrersOptions): AsyncGenerator<Descriptor> {
    // The first page tells whether an endpoint can answer.
    const { list, first } = await this.#fallback.ask(
      await this.#targets.find(repo, "referrers"),
      async ({ registry, endpoint }) => {
        const list = registry.referrers(endpoint.repo, digest, options);
        return { list, first: await list.next() };
      },
      options?.signal,
    );
    if (first.done) return;
    yield first.value;
    yield* list;
  }
}
