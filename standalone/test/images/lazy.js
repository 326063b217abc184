import { next } from "./shared.js";

export const later = () => next();
