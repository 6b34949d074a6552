export {
  apiHost,
  isTag,
  parseHost,
  parseRef,
  parseRepoName,
  parseTag,
  parseTagOrDigest,
  Reference,
  type ReferenceParts,
  type RepoName,
  type Tag,
} from "./reference.ts";
