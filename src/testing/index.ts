export { registryContract } from "./contract.ts";
export { type ContractCase, type RegistryCapabilities, rejects } from "./contract-case.ts";
export { withoutLeaks } from "./contract-leaks.ts";
export { type ImageStoreCase, imageStoreContract } from "./image-store.ts";
export {
  pushImage,
  randomImage,
  seededBytes,
  type TestBlob,
  type TestImage,
  type TestImageOptions,
  type TestLayer,
  testBlob,
  testImage,
  testIndex,
  testLayer,
} from "./images.ts";
export type { Misbehaviour } from "./misbehaviour.ts";
export type { ProfileBehaviour, ProfileFact, RegistryProfile } from "./profile.ts";
export { registryProfiles } from "./profile-list.ts";
export { type ProfiledRegistry, startProfile } from "./profiled-registry.ts";
export {
  type Fault,
  type SeenRequest,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryOptions,
} from "./registry.ts";
