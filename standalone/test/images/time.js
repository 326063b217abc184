export const importedAt = new Date();
