/* Replaces the unwinder in a program whose panics abort. Rust's standard library calls it only to print a backtrace, which is
 * empty then. A call of any other function is a bug, and ends the program as the panic would have done. The real unwinder and
 * its tables (no-unwind-tables.ld) would be a fifth of the agent. */

#define END_OF_STACK 5 /* _URC_END_OF_STACK in the Itanium C++ ABI, exception handling, section 1.2 */

int _Unwind_Backtrace(void *each_frame, void *argument) { (void)each_frame; (void)argument; return END_OF_STACK; }

#define NEVER(name) void name(void) { __builtin_trap(); }
NEVER(_Unwind_DeleteException)
NEVER(_Unwind_FindEnclosingFunction)
NEVER(_Unwind_GetCFA)
NEVER(_Unwind_GetDataRelBase)
NEVER(_Unwind_GetIP)
NEVER(_Unwind_GetIPInfo)
NEVER(_Unwind_GetLanguageSpecificData)
NEVER(_Unwind_GetRegionStart)
NEVER(_Unwind_GetTextRelBase)
NEVER(_Unwind_RaiseException)
NEVER(_Unwind_Resume)
NEVER(_Unwind_SetGR)
NEVER(_Unwind_SetIP)
