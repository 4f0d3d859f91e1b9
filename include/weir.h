#ifndef WEIR_H
#define WEIR_H

/** For `#include <weir.h>`. */
#include "weir/weir.h"

#endif
