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
export { registryProfiles } from "./profile-list.ts";
export {
  type ProfileBehaviour,
  type ProfiledRegistry,
  type ProfileFact,
  type RegistryProfile,
  startProfile,
} from "./profiles.ts";
export {
  type Fault,
  type Misbehaviour,
  type SeenRequest,
  startTestRegistry,
  type TestRegistry,
  type TestRegistryOptions,
} from "./registry.ts";
