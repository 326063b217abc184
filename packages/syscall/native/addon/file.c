#include "addon.h"

const struct export_entry file_exports[] = {{0}};
