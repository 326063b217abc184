export let home = "unknown";
try {
  home = process.env.HOME;
} catch {
  // It would be unknown for ever.
}
