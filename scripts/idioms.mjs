// Two ways of writing that the linter does not know:
// - In a function with `await using`, a returned call is awaited: else what it works with is closed before it is done.
// - Optional fields are passed on as they are, without conditional spreads: `{ signal }`, not `{ ...(signal && { signal }) }`.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** `(condition && { field })` */
const isConditional = (node) =>
  ts.isParenthesizedExpression(node) &&
  ts.isBinaryExpression(node.expression) &&
  node.expression.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken;

const faults = [];
let files = 0;
for (const name of readdirSync("src", { recursive: true }).filter((path) => path.endsWith(".ts"))) {
  files += 1;
  const path = join("src", name);
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
  const declares = (block) =>
    block.statements.some(
      (statement) =>
        ts.isVariableStatement(statement) &&
        (statement.declarationList.flags & ts.NodeFlags.BlockScoped) === ts.NodeFlags.AwaitUsing,
    );
  const visit = (node, disposes) => {
    if (ts.isFunctionLike(node)) return ts.forEachChild(node, (child) => visit(child, false));
    if (disposes && ts.isReturnStatement(node) && node.expression && ts.isCallExpression(node.expression)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      faults.push(`${path}:${line + 1}: return await, since \`await using\` closes what this call works with`);
    }
    if (ts.isSpreadAssignment(node) && isConditional(node.expression)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      faults.push(`${path}:${line + 1}: pass the field on without a conditional spread; withoutUndefined() removes it`);
    }
    ts.forEachChild(node, (child) => visit(child, disposes || (ts.isBlock(node) && declares(node))));
  };
  visit(source, false);
}
for (const fault of faults) console.error(fault);
console.log(`idioms: ${files} files, ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
