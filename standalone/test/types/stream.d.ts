/** The types that stand in signatures of the library; the command makes no streams, and would have none to destroy. */
declare module "node:stream" {
  export interface Readable {
    destroy(): unknown;
  }
  export interface Writable {
    destroy(): unknown;
  }
}
