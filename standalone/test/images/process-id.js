export const { pid } = process;
