export {
  apiHost,
  formatReference,
  isTag,
  parseHost,
  parseReference,
  parseRepoName,
  parseTag,
  parseTagOrDigest,
  type Reference,
  type RepoName,
  type Tag,
  wantedOf,
} from "./reference.ts";
