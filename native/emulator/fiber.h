// A place to run that is not the OS thread's own: a stack and where on it to go on. Switching costs a few nanoseconds.
#pragma once

#include <stddef.h>

namespace fovea::emulator {

// Leaves word in *from where the caller stopped, and goes on where `to` was left (or begins, if fresh). Returns when someone
// goes on with *from.
extern "C" void fovea_emulator_switch(void **from, void *to);

// What to hand to fovea_emulator_switch so that entry begins on this stack. entry never returns.
void *fresh_fiber(void *stack, size_t bytes, void (*entry)());

}  // namespace fovea::emulator
