// Two rules that the linter does not have:
// - A function with `await using` awaits a call that it returns; else what the call uses is closed before it is done.
// - Optional fields are passed on without conditional spreads: `{ signal }`, not `{ ...(signal && { signal }) }`.
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
      faults.push(`${path}:${line + 1}: return await, because \`await using\` closes what this call uses`);
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
