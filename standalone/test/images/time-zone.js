export const offset = new Date(0).getTimezoneOffset();
