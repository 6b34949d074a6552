/** The repository of a scope; the empty string for the registry as a whole. */
export const repositoryOf = (scope: string): string => /^repository:([^:]+):/.exec(scope)?.[1] ?? "";

/**
 * The scopes to ask a token for: those of the challenge and, for the same repositories, those that this request needs.
 * A mount needs a second repository, which some challenges do not name, so it is always added. Other resources are
 * asked for only where the challenge names them.
 * @param wanted the scopes that the request needs, separated by spaces; the first one is that of its repository
 */
export function mergeScopes(challenged: string | undefined, wanted: string): string {
  const scopes = new Map<string, Set<string>>();
  const [first, ...others] = wanted.split(" ").filter(Boolean);
  const add = (scope: string, onlyKnown: boolean): void => {
    const end = scope.lastIndexOf(":");
    // Some registries have scopes of their own, without actions.
    const resource = end < 0 ? scope : scope.slice(0, end);
    if (onlyKnown && !scopes.has(resource)) return;
    const actions = scopes.get(resource) ?? new Set();
    if (end >= 0) for (const action of scope.slice(end + 1).split(",")) actions.add(action);
    scopes.set(resource, actions);
  };
  for (const scope of (challenged ?? "").split(" ").filter(Boolean)) add(scope, false);
  if (first !== undefined) add(first, scopes.size > 0);
  for (const scope of others) add(scope, false);
  return [...scopes]
    .map(([resource, actions]) => (actions.size === 0 ? resource : `${resource}:${[...actions].join(",")}`))
    .join(" ");
}
