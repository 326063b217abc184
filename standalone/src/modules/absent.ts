/** Stands for the modules of Node that this executable does without. */
throw new Error("this module of Node's is not part of the standalone executable");

export {};
