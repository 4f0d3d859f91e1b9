#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/** All of Weir: each header is one idea and can be included alone. */
#include "weir/error.h"
#include "weir/listen.h"
#include "weir/log.h"
#include "weir/log_callback.h"
#include "weir/record.h"
#include "weir/serde.h"
#include "weir/stream.h"
#include "weir/streams.h"
#include "weir/test.h"
#include "weir/typed.h"
#include "weir/types.h"

#endif
