import type { ClientRequest } from "node:http";
import type { ChunkWriter } from "../content/chunk-writer.ts";
import type { StreamedBody } from "./message.ts";

/** Runs only while the client waits for the server, and not while it waits for the source of its own body. */
export interface AnswerTimer {
  restart(): void;
  pause(): void;
}

/** The server stopped reading: its response, or the error of the request, says why. */
class ServerStoppedReading extends Error {}

/**
 * Writes a streamed body to a request, as fast as the server reads it, and ends the request.
 * @throws what the body throws. A server that stops reading is no error here
 */
export async function sendBody(
  outgoing: ClientRequest,
  body: StreamedBody,
  signal: AbortSignal,
  timer: AnswerTimer,
): Promise<void> {
  const write: ChunkWriter = (chunk) => {
    if (outgoing.destroyed) throw new ServerStoppedReading();
    // The chunk is only lent, but a socket keeps bytes that it cannot send yet.
    if (outgoing.write(Buffer.from(chunk))) return;
    timer.restart();
    return new Promise((done, fail) => {
      const finish = (): void => {
        timer.pause();
        outgoing.off("drain", finish);
        outgoing.off("close", finish);
        if (outgoing.destroyed && !outgoing.writableFinished) fail(new ServerStoppedReading());
        else done();
      };
      outgoing.on("drain", finish);
      outgoing.on("close", finish);
    });
  };
  try {
    await body.pump(write, signal);
  } catch (error) {
    if (error instanceof ServerStoppedReading) return;
    throw error;
  }
  timer.restart();
  outgoing.end();
}
