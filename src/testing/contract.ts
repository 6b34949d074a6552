import type { ContractCase, RegistryCapabilities } from "./contract-case.ts";
import { deleterCases } from "./contract-deleter.ts";
import { listerCases } from "./contract-lister.ts";
import { readerCases } from "./contract-reader.ts";
import { writerCases } from "./contract-writer.ts";

/**
 * The behaviour that every registry must have. Run each case on a new, empty registry:
 * `for (const { name, run } of registryContract()) test(name, () => withoutLeaks(async () => run(await make())))`.
 */
export function registryContract(capabilities: RegistryCapabilities = {}): ContractCase[] {
  const can = {
    delete: capabilities.delete ?? true,
    upload: capabilities.upload ?? true,
    referrers: capabilities.referrers ?? true,
    repositories: capabilities.repositories ?? true,
    isolated: capabilities.isolated ?? true,
    prefix: capabilities.prefix ?? "",
  };
  return [...readerCases(), ...writerCases(can), ...deleterCases(can), ...listerCases(can)];
}
