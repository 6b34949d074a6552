// The local store, and what tests of programs use.
import { Store } from "gantry";
import {
  type Filter,
  type FsckReport,
  type GcReport,
  type ImageStore,
  type Lease,
  type Presence,
  parseFilter,
  type StoredImage,
  type StoreImage,
  type StoreOptions,
} from "gantry/store";
import { type Fault, pushImage, randomImage, startTestRegistry, type TestRegistryOptions } from "gantry/testing";

export async function store(database: string | undefined, namespace: string | undefined): Promise<StoredImage> {
  const options: StoreOptions = { database, namespace };
  const kept = new Store(undefined, options);
  const images: ImageStore = kept.images;
  const found: StoredImage = await images.get("backup");
  await images.update({ name: found.name, target: found.target, labels: undefined }, "labels", "labels.team");
  // @ts-expect-error: no such field.
  await images.update(found, "createdAt");
  const image: StoreImage = await kept.image("backup", { platform: undefined });
  const presence: readonly Presence[] = await kept.presence([found.target]);
  const collected: GcReport = await kept.gc({ dryRun: undefined });
  const checked: FsckReport = await kept.fsck({ rebuild: undefined });
  const lease: Lease = await kept.lease("a test");
  await lease.protect(found.target.digest);
  await lease.release();
  const filter: Filter = parseFilter("name==backup");
  console.log(await image.check(), presence, collected.bytes, checked.findings, filter);
  await kept.close();
  return found;
}

export async function tests(faults: readonly Fault[] | undefined): Promise<string> {
  const options: TestRegistryOptions = { faults };
  const server = await startTestRegistry(options);
  const { digest } = await pushImage(server.registry, "app", randomImage({ sizes: undefined }), "v1");
  await server.close();
  return `${server.host}/app@${digest}`;
}
