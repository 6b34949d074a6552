/** The script of the worker threads, in one piece; the build puts it here (scripts/inline-worker.ts). */
export const workerSource: string = "";
