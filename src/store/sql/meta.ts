import type { Run } from "./database.ts";

/** A number that the database keeps beside the tables; 0 where it was never set. */
export async function numberOf(run: Run, key: string): Promise<number> {
  const [row] = await run(`SELECT value FROM gantry_meta WHERE key = ?`, key);
  return Number(row?.["value"] ?? 0);
}

export async function setNumber(run: Run, key: string, value: number): Promise<void> {
  await run(
    `INSERT INTO gantry_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    key,
    value,
  );
}

/** Counts a change. @returns its number */
export async function nextGeneration(run: Run): Promise<number> {
  const [row] = await run(`UPDATE gantry_meta SET value = value + 1 WHERE key = 'generation' RETURNING value`);
  return Number(row!["value"]);
}
