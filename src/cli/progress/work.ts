import type { ProgressEvent } from "../../base/progress.ts";
import { printable } from "../../base/text.ts";
import { Speed } from "./speed.ts";

/** A piece of work, such as a blob. Sizes are in bytes. */
export interface Item {
  readonly label: string;
  readonly total: number | undefined;
  readonly done: number;
  readonly state: "waiting" | "running" | "finished";
  readonly speed: Speed;
}

/** The sum of the pieces whose size is known. */
export interface Sum {
  readonly items: number;
  readonly finished: number;
  readonly done: number;
  readonly total: number;
  readonly speed: Speed;
}

/** Keeps the state of all pieces of work. */
export class Work {
  readonly #items = new Map<string, Item>();
  readonly #speed = new Speed();

  /** Takes note of an event. @returns the piece that it is about */
  track(event: ProgressEvent): Item | undefined {
    if (event.type === "message") return undefined;
    if (event.type === "start") {
      const { id, label, total } = event;
      const item: Item = { label: printable(label), total, done: 0, state: "waiting", speed: new Speed() };
      this.#items.set(id, item);
      return item;
    }
    const item = this.#items.get(event.id);
    if (!item) return undefined;
    const { done } = event.type === "advance" ? event : { done: item.total ?? item.done };
    // The first position may be the end of a partial download: only later bytes were moved in this run.
    if (event.type === "advance" && item.state === "running") {
      const moved = Math.max(0, done - item.done);
      item.speed.add(moved);
      this.#speed.add(moved);
    }
    const changed: Item = { ...item, done, state: event.type === "advance" ? "running" : "finished" };
    this.#items.set(event.id, changed);
    return changed;
  }

  get running(): readonly Item[] {
    return [...this.#items.values()].filter(({ state }) => state === "running");
  }

  get sum(): Sum {
    const sized = [...this.#items.values()].filter(({ total }) => total !== undefined);
    return {
      items: sized.length,
      finished: sized.filter(({ state }) => state === "finished").length,
      done: sized.reduce((sum, { done, total }) => sum + Math.min(done, total!), 0),
      total: sized.reduce((sum, { total }) => sum + total!, 0),
      speed: this.#speed,
    };
  }
}
