import { platformFields } from "./platform-fields.ts";
import {
  anyObject,
  boolean,
  constant,
  digest,
  type Field,
  fields,
  list,
  map,
  matches,
  type Schema,
  strictly,
  string,
} from "./schema.ts";

const TIME_RULE = "formatted as defined by RFC 3339, section 5.6.";
const OPTIONAL = "config.md: Any OPTIONAL field MAY also be set to null, which is equivalent to being absent.";

const dateTime =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

const time = strictly(string, (value: string) =>
  isDateTime(value) ? undefined : "must be a date and time such as 2026-01-31T23:59:59Z",
);

function isDateTime(text: string): boolean {
  const match = dateTime.exec(text);
  if (!match) return false;
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

const text = (rule: string): Field => ({ schema: string, rule: `config.md: ${rule}` });
const strings = (rule: string): Field => ({ schema: list(string), rule: `config.md: ${rule}` });

const runtimeConfig = fields(
  {
    User: text("User: The username or UID which is a platform-specific structure."),
    ExposedPorts: {
      schema: strictly(map(anyObject), (value: object) => {
        const wrong = Object.keys(value).find((port) => !/^\d{1,5}(?:-\d{1,5})?(?:\/[a-z]+)?$/.test(port));
        return wrong === undefined ? undefined : `has the key ${JSON.stringify(wrong)}, which is not a port`;
      }),
      rule: "config.md: ExposedPorts: Its keys can be in the format of: `port/tcp`, `port/udp`, `port`.",
    },
    Env: {
      schema: list(matches(string, /^[^=]+=/, "must be NAME=VALUE")),
      rule: "config.md: Env: Entries are in the format of `VARNAME=VARVALUE`.",
    },
    Entrypoint: strings("Entrypoint: A list of arguments to use as the command to execute when the container starts."),
    Cmd: strings("Cmd: Default arguments to the entrypoint of the container."),
    Volumes: {
      schema: map(anyObject),
      rule: "config.md: Volumes: is represented in JSON as an object mapping its keys to an empty object.",
    },
    WorkingDir: text("WorkingDir: Sets the current working directory of the entrypoint process in the container."),
    Labels: { schema: map(string), rule: "config.md: Labels: This property MUST use the annotation rules." },
    StopSignal: text(
      "StopSignal: This field contains the system call signal that will be sent to the container to exit.",
    ),
    ArgsEscaped: {
      schema: boolean,
      rule: "config.md: ArgsEscaped: If `true` the value in `Entrypoint` or `Cmd` should be used as-is to avoid double escaping.",
    },
  },
  { nullable: true },
);

const history = fields(
  {
    created: { schema: time, rule: `config.md: A combined date and time at which the layer was created, ${TIME_RULE}` },
    created_by: text("The command which created the layer."),
    author: text("The author of the build point."),
    comment: text("A custom message set when creating the layer."),
    empty_layer: { schema: boolean, rule: OPTIONAL },
  },
  { nullable: true },
);

/** image-spec config.md, "Properties". */
export const image: Schema = fields(
  {
    created: {
      schema: time,
      rule: `config.md: An combined date and time at which the image was created, ${TIME_RULE}`,
    },
    author: text("Gives the name and/or email address of the person or entity which created the image."),
    ...platformFields("config.md"),
    config: {
      schema: runtimeConfig,
      rule: "config.md: The execution parameters which SHOULD be used as a base when running a container using the image.",
    },
    rootfs: {
      schema: fields(
        {
          type: { schema: constant("layers"), required: true, rule: "config.md: type: MUST be set to `layers`." },
          diff_ids: {
            schema: list(digest),
            required: true,
            // Go writes null for the layers of an image that has none.
            empty: () => [],
            rule: "config.md: diff_ids: An array of layer content hashes (`DiffIDs`), in order from first to last.",
          },
        },
        { nullable: true },
      ),
      required: true,
      rule: "config.md: The rootfs key references the layer content addresses used by the image.",
    },
    history: { schema: list(history), rule: "config.md: history: Describes the history of each layer." },
  },
  { nullable: true },
);
