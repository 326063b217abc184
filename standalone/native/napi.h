/* The part of Node-API that the addon is written on, for QuickJS. A napi_value is a place in the environment's stack of
 * values, which a scope gives back: that of the call of a native function, or of a task of the loop. */
#ifndef RUNLET_NAPI_H
#define RUNLET_NAPI_H

#include "engine.h"
#define NAPI_VERSION 8
#include <node_api.h>

struct napi_env__ {
  JSContext *ctx;
  JSValue *values;
  size_t count, room;
  void *instance_data;
  JSClassID external_class;
  bool has_exception;
};

struct napi_callback_info__ {
  int count;
  JSValueConst *arguments;
};

/* Takes the value over. */
napi_value napi_push(napi_env env, JSValue value);
/* Borrowed. */
JSValueConst napi_at(napi_env env, napi_value value);
/* Gives back what has been pushed since `count`. */
void napi_pop(napi_env env, size_t count);
/* The only environment. */
extern struct napi_env__ the_env;

#endif
