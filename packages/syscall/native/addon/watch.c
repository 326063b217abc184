#include "addon.h"

const struct export_entry watch_exports[] = {{0}};
