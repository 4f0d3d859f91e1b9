#ifndef WEIR_BROKER_ENGINE_DAMAGE_REPORT_H
#define WEIR_BROKER_ENGINE_DAMAGE_REPORT_H

#include "broker/engine/engine.h"

/** The door, as broker.h says it; any thread. */
void weir_engine_report_damage(struct weir_engine *engine, struct weir_damage_report *report);

#endif
