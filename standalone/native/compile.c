/* Compiles the program's modules to bytecode: `compile OUT_DIR NAME=FILE…`, each to OUT_DIR/NAME. What a module imports is
 * looked up when it runs. */
#include <quickjs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fill_nothing(JSContext *ctx, JSModuleDef *module) {
  (void)ctx, (void)module;
  return 0;
}

static JSModuleDef *load_nothing(JSContext *ctx, const char *name, void *data) {
  (void)data;
  return JS_NewCModule(ctx, name, fill_nothing);
}

static char *normalize(JSContext *ctx, const char *base, const char *name, void *data) {
  (void)base, (void)data;
  return js_strdup(ctx, strncmp(name, "./", 2) == 0 ? name + 2 : name);
}

static _Noreturn void fail(const char *what, const char *of) {
  fprintf(stderr, "compile: %s: %s\n", of, what);
  exit(1);
}

static char *read_whole(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) fail("cannot be read", path);
  *length = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*length + 1);
  if (!text || fread(text, 1, *length, file) != *length) fail("cannot be read", path);
  text[*length] = '\0';
  fclose(file);
  return text;
}

static void compile(const char *directory, const char *name, const char *path) {
  JSRuntime *runtime = JS_NewRuntime();
  JS_SetModuleLoaderFunc(runtime, normalize, load_nothing, NULL);
  JSContext *ctx = JS_NewContext(runtime);
  size_t length, bytes_length;
  char *text = read_whole(path, &length);
  JSValue module = JS_Eval(ctx, text, length, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(module)) {
    JSValue error = JS_GetException(ctx), stack = JS_GetPropertyStr(ctx, error, "stack");
    fprintf(stderr, "%s%s", JS_ToCString(ctx, error), JS_ToCString(ctx, stack));
    fail("does not compile", path);
  }
  uint8_t *bytes = JS_WriteObject(ctx, &bytes_length, module, JS_WRITE_OBJ_BYTECODE);
  char target[4096];
  snprintf(target, sizeof target, "%s/%s", directory, name);
  FILE *file = bytes ? fopen(target, "wb") : NULL;
  if (!file || fwrite(bytes, 1, bytes_length, file) != bytes_length || fclose(file) != 0) fail("cannot be written", target);
  free(text);
}

int main(int count, char **words) {
  for (int i = 2; i < count; i++) {
    char *path = strchr(words[i], '=');
    if (!path) fail("NAME=FILE is wanted", words[i]);
    *path++ = '\0';
    compile(words[1], words[i], path);
  }
  return 0;
}
