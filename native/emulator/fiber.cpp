#include "emulator/fiber.h"

#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

namespace fovea::emulator {

#if defined(__x86_64__)

// What a called function must preserve (System V ABI 3.2.1), then the stack itself. The control words of the floating-point
// units are nowhere changed.
asm(R"(
.text
.globl fovea_emulator_switch
.hidden fovea_emulator_switch
.type fovea_emulator_switch, @function
.p2align 4
fovea_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size fovea_emulator_switch, . - fovea_emulator_switch
)");

void *fresh_fiber(void *stack, size_t bytes, void (*entry)()) {
  auto top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15};
  void **sp = reinterpret_cast<void **>(top);
  *--sp =
      nullptr;  // where entry would return to; also leaves the stack as a call does, 8 past a multiple of 16
  *--sp = reinterpret_cast<void *>(entry);
  return sp - 6;  // six registers of any value
}

#elif defined(__aarch64__)

// x19 to x30 and the low halves of v8 to v15 (AAPCS64 6.1), then the stack itself.
asm(R"(
.text
.globl fovea_emulator_switch
.hidden fovea_emulator_switch
.type fovea_emulator_switch, %function
.p2align 4
fovea_emulator_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size fovea_emulator_switch, . - fovea_emulator_switch
)");

void *fresh_fiber(void *stack, size_t bytes, void (*entry)()) {
  auto top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15};
  void **frame = reinterpret_cast<void **>(top) - 20;
  frame[10] = nullptr;                          // x29: no caller
  frame[11] = reinterpret_cast<void *>(entry);  // x30
  return frame;
}

#else

extern "C" void fovea_emulator_switch(void **from, void *to) {
  ucontext_t here;
  *from = &here;
  swapcontext(&here, static_cast<ucontext_t *>(to));
}

void *fresh_fiber(void *stack, size_t bytes, void (*entry)()) {
  auto *context = static_cast<ucontext_t *>(stack);
  getcontext(context);
  context->uc_stack.ss_sp = context + 1;
  context->uc_stack.ss_size = bytes - sizeof *context;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}

#endif

}  // namespace fovea::emulator
