import os from "node:os";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Descriptor, digestOf, type Index, mediaTypes } from "../spec/index.ts";
import { formatFullPlatform, hostPlatform, parsePlatform, selectManifest } from "./index.ts";

/** An index with one manifest for each platform, whose digests tell them apart. */
function indexOf(platforms: readonly string[]): Index {
  const manifests = platforms.map(
    (platform, at): Descriptor => ({
      mediaType: mediaTypes.manifest,
      digest: digestOf(`${at} ${platform}`),
      size: at,
      platform: parsePlatform(platform),
    }),
  );
  return { schemaVersion: 2, manifests };
}

const windows = (...versions: string[]): string[] =>
  versions.map((version) => (version ? `windows(${version})/amd64` : "windows/amd64"));
const [w2019, w2022, win11, annual, w2025] = [17763, 20348, 22621, 25398, 26100].map((build) => `10.0.${build}`);

// The rules are those of containerd/platforms, platform_windows_compat.go, except that it compares versions as texts.
test.each<[string, string, string[], string | undefined]>([
  ["the newest revision of the only build", `${w2019}.1`, [`${w2019}.9`, `${w2019}.1`], `${w2019}.9`],
  ["the newest revision, by number", `${w2019}.1`, [`${w2019}.999`, `${w2019}.1000`], `${w2019}.1000`],
  ["the newest one, at any index", `${w2025}.1`, [`${w2025}.3000`, `${w2022}.9`, `${w2025}.1`], `${w2025}.3000`],
  ["a revision that is newer than the host's", `${w2025}.2894`, [`${w2022}.3091`, `${w2025}.3000`], `${w2025}.3000`],
  ["nothing newer than the host", `${w2022}.1`, [`${w2025}.1`, `${w2022}.3`, `${win11}.1`], `${w2022}.3`],
  ["Server 2019 runs only its own build", w2019!, [w2022!, "10.0.17134", w2019!], w2019],
  ["Server 2022 does not run 2019", w2022!, [w2019!], undefined],
  ["Windows 11 runs 2022", win11!, [w2019!, w2022!, w2025!], w2022],
  ["the annual channel runs builds since 2022", annual!, [w2022!, win11!, w2025!], win11],
  ["Server 2025 runs 2022", w2025!, [w2019!, `${w2022}.5`, `${w2022}.6`], `${w2022}.6`],
  ["Server 2025 runs builds between 2022 and 2025", w2025!, [w2022!, annual!, win11!], annual],
  ["a build later than 2025 does not run 2022", "10.0.27000", [w2022!, w2025!], w2025],
  ["another major version never fits", w2025!, ["11.0.26100", "6.3.26100"], undefined],
  ["the newest one if the host's build is unknown", "", [`${w2019}.5`, `${w2025}.1`, `${w2022}.9`], `${w2025}.1`],
  ["builds are compared as numbers, not as texts", "", ["10.0.9600", "10.0.17763"], "10.0.17763"],
  ["an image without a build comes last", `${w2022}.1`, ["", `${w2022}.1`], `${w2022}.1`],
  ["an image without a build fits every host", `${w2019}.1`, ["", `${w2022}.1`], ""],
  ["a version that cannot be parsed fits no host", w2022!, ["10.0.x", "ltsc2022"], undefined],
])("%s", (_title, host, offered, chosen) => {
  const [wanted] = windows(host).map(parsePlatform);
  for (const order of [offered, [...offered].reverse()]) {
    const found = selectManifest(indexOf(windows(...order)), wanted!)?.platform;
    expect(found && formatFullPlatform(found)).toBe(chosen === undefined ? undefined : windows(chosen)[0]);
  }
});

test("among equal builds the first is chosen, and the architecture matters more than the build", () => {
  const [host] = windows(`${w2025}.1`).map(parsePlatform);
  const same = indexOf(windows(`${w2025}.1`, `${w2025}.1`));
  expect(selectManifest(same, host!)?.size).toBe(0);
  const older = indexOf([`windows(${w2025}.9)/386`, `windows(${w2022}.1)/amd64`]);
  expect(selectManifest(older, host!)?.size).toBe(1);
});

test("on other systems the version does not matter", () => {
  const index = indexOf(["linux(1)/amd64", "linux(2)/amd64"]);
  expect(selectManifest(index, parsePlatform("linux/amd64"))?.size).toBe(0);
});

test("the platform of a Windows host has its build, and a parsed platform only the given parts", () => {
  const real = process.platform;
  onTestFinished(() => {
    Object.defineProperty(process, "platform", { value: real });
    vi.restoreAllMocks();
  });
  Object.defineProperty(process, "platform", { value: "win32" });
  vi.spyOn(os, "release").mockReturnValue("10.0.20348");
  expect(hostPlatform()).toMatchObject({ os: "windows", "os.version": "10.0.20348" });
  const index = indexOf(
    windows("10.0.26100.1", "10.0.20348.2", "10.0.17763.3").map((it) =>
      it.replace("amd64", hostPlatform().architecture),
    ),
  );
  expect(selectManifest(index, hostPlatform())?.size).toBe(1);
  for (const text of ["windows", "linux", "amd64"]) expect(parsePlatform(text)).not.toHaveProperty("os.version");
});
