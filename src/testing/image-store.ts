import type { AddCase, ImageStoreCase } from "./image-store-case.ts";
import { filterCases } from "./image-store-filters.ts";
import { nameCases } from "./image-store-names.ts";
import { updateCases } from "./image-store-updates.ts";

export type { ImageStoreCase };

/**
 * The behaviour that every store of names must have. Run each case on a new, empty store:
 * `for (const { name, run } of imageStoreContract()) test(name, async () => run(await make()))`.
 */
export function imageStoreContract(): ImageStoreCase[] {
  const cases: ImageStoreCase[] = [];
  const add: AddCase = (name, run) => void cases.push({ name, run: (all) => run(all("default"), all) });
  for (const topic of [nameCases, updateCases, filterCases]) topic(add);
  return cases;
}
