#ifndef WEIR_BROKER_COORDINATOR_GROUP_GROUP_TEXT_H
#define WEIR_BROKER_COORDINATOR_GROUP_GROUP_TEXT_H

#include "base/utf8.h"

/** For "%.*s" of what came from outside: it ends where it is not shown well, and messages stay UTF-8. */
enum { WEIR_GROUP_SHOWN_MAX = 96 };
#define WEIR_GROUP_SHOWN(slice)                                                                    \
    (int)weir_utf8_printable((slice), WEIR_GROUP_SHOWN_MAX), (const char *)(slice).data

#endif
