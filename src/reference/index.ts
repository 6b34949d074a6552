export {
  apiHost,
  formatReference,
  isTag,
  parseReference,
  parseRepoName,
  parseTag,
  parseTagOrDigest,
  type Reference,
  type RepoName,
  type Tag,
  wantedOf,
} from "./reference.ts";
