#include "addon.h"

const struct export_entry terminal_exports[] = {{0}};
