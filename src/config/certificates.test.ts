import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { expect, test } from "vitest";
import { temporary } from "../../test/support/temporary.ts";
import { rejects } from "../testing/index.ts";
import { readCertificates, trustedCertificates } from "./index.ts";

test("reads the certificates of a file, with text around them, and of a directory; a file without one is an error", async () => {
  const work = await temporary();
  const [one, two] = rootCertificates as [string, string];
  await writeFile(join(work, "bundle.pem"), `# a comment\n${one}\n\nmore text\n${two}\n`);
  expect(await readCertificates(join(work, "bundle.pem"))).toEqual([one, two]);
  await mkdir(join(work, "certs"));
  await writeFile(join(work, "certs/a.crt"), one);
  await writeFile(join(work, "certs/b.crt"), two);
  expect(await readCertificates(join(work, "certs"))).toEqual([one, two]);
  const trusted = await trustedCertificates([join(work, "certs/a.crt")]);
  expect(new Set(trusted).size).toBe(trusted.length);
  expect(trusted).toContain(one);
  for (const root of rootCertificates) expect(trusted).toContain(root);
  const bad: Record<string, string> = {
    empty: "",
    text: "hello",
    key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    broken: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    cut: one.slice(0, 200),
  };
  for (const [name, text] of Object.entries(bad)) {
    await writeFile(join(work, name), text);
    await rejects(readCertificates(join(work, name)), "CONFIG_INVALID");
    await expect(readCertificates(join(work, name))).rejects.toThrow(join(work, name));
  }
  await rejects(readCertificates(join(work, "absent")), "CONFIG_INVALID");
  await writeFile(join(work, "certs/notes.txt"), "hello");
  await rejects(trustedCertificates([join(work, "certs")]), "CONFIG_INVALID");
});
