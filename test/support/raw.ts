import { request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

export interface Asked {
  readonly body?: Buffer | string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** The address that the request comes from. */
  readonly from?: string;
}

/** Sends one raw request, whose path and headers are not changed. */
export function ask(
  server: { readonly host: string },
  method: string,
  path: string,
  asked: Asked = {},
): Promise<Answer> {
  const [host, port] = server.host.split(":");
  return new Promise((resolve, reject) => {
    const options = { host, port, method, path, headers: asked.headers ?? {}, agent: false, localAddress: asked.from };
    const sent = request(options, (response) => {
      let body = "";
      response.on("error", reject);
      response.on("data", (data) => {
        body += data;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end(asked.body);
  });
}

/** The first error code in a body of the distribution API. */
export const codeOf = ({ body }: Answer): string => JSON.parse(body).errors[0].code;
