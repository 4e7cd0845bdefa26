# The cuda backend twice over: libfovea_cuda with a fatbin for each file of kernels, and libfovea_cuda_emulated with the same
# kernels compiled as C++. Neither needs a CUDA header, library or device; the fatbins need nvcc.

# kernels/cuda/<name>.cu
set(CUDA_KERNELS
    add
    advance
    attention
    concat_rows
    embed
    gelu
    kv_append
    layer_norm
    linear_dp4a
    linear_mma
    linear_mma16
    linear_plain
    linear_then
    linear_wgmma
    linear_x
    paged_attention
    patchify
    persistent
    put_token
    quick_gelu
    resize
    rms_norm
    rope
    sample
    silu_mul
    take_rows
    token_at)
# native/src/cuda/<name>.cpp
set(CUDA_LAUNCHERS
    add
    advance
    attention
    concat_rows
    embed
    gelu
    kv_append
    layer_norm
    linear
    paged_attention
    patchify
    put_token
    quick_gelu
    resize
    rms_norm
    rope
    sample
    silu_mul
    take_rows
    token_at)

set(CUDA_ARCHITECTURES_SHIPPED 80 86 89 90a 100 120)
set(FOVEA_CUDA_ARCHITECTURES ${CUDA_ARCHITECTURES_SHIPPED} CACHE STRING "Architectures with machine code; PTX for 8.0 serves the rest")
set(FOVEA_CUDA_FLAGS "" CACHE STRING "More flags for nvcc, e.g. -lineinfo to profile")

list(TRANSFORM CUDA_LAUNCHERS PREPEND src/cuda/ OUTPUT_VARIABLE CUDA_SOURCES)
list(TRANSFORM CUDA_SOURCES APPEND .cpp)
list(TRANSFORM CUDA_KERNELS PREPEND ${PROJECT_SOURCE_DIR}/kernels/cuda/ OUTPUT_VARIABLE CUDA_KERNEL_SOURCES)
list(TRANSFORM CUDA_KERNEL_SOURCES APPEND .cu)

if(FOVEA_CUDA OR FOVEA_CUDA_EMULATED)
  # Launchers and table, the same for both libraries.
  add_library(fovea_cuda_launchers OBJECT src/cuda/persistent.cpp src/cuda/table.cpp ${CUDA_SOURCES})
  target_include_directories(fovea_cuda_launchers PRIVATE include ${PROJECT_SOURCE_DIR}/kernels src)
endif()

if(FOVEA_CUDA)
  find_program(FOVEA_NVCC nvcc PATHS /usr/local/cuda/bin DOC "NVIDIA's compiler, 12.8 or newer")
  set(WITHOUT "")
  if(NOT FOVEA_NVCC)
    set(WITHOUT "there is no nvcc")
  elseif(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    set(WITHOUT "it is for Linux")
  else()
    execute_process(COMMAND ${FOVEA_NVCC} --version OUTPUT_VARIABLE NVCC_TEXT)
    string(REGEX MATCH "release ([0-9.]+)" NVCC_TEXT "${NVCC_TEXT}")
    if(CMAKE_MATCH_1 VERSION_LESS 12.8)
      set(WITHOUT "${FOVEA_NVCC} is ${CMAKE_MATCH_1} and 12.8 is needed")
    endif()
  endif()
  if(WITHOUT)
    message(STATUS "The cuda backend is left out: ${WITHOUT}")
  else()
    set(NVCC_FLAGS -std=c++20 -O3 -I${PROJECT_SOURCE_DIR}/kernels -Werror all-warnings -Xfatbin=-compress-all --compress-mode=size)
    set(ARCHITECTURES ${FOVEA_CUDA_ARCHITECTURES})
    if(FOVEA_SANITIZE)
      # Sanitizers see host code: device code is compiled for its names alone.
      list(GET ARCHITECTURES 0 ARCHITECTURES)
    else()
      list(APPEND NVCC_FLAGS -gencode arch=compute_80,code=compute_80)
    endif()
    foreach(ARCHITECTURE ${ARCHITECTURES})
      list(APPEND NVCC_FLAGS -gencode arch=compute_${ARCHITECTURE},code=sm_${ARCHITECTURE})
    endforeach()
    separate_arguments(MORE_NVCC_FLAGS UNIX_COMMAND "${FOVEA_CUDA_FLAGS}")
    foreach(NAME ${CUDA_KERNELS})
      set(FATBIN ${CMAKE_CURRENT_BINARY_DIR}/kernels/${NAME}.fatbin)
      set(USAGE ${CMAKE_CURRENT_BINARY_DIR}/kernels/${NAME}.usage)
      # What ptxas says goes to a file of its own, for kernels/cuda/resources.sh.
      add_custom_command(
        OUTPUT ${FATBIN}
        BYPRODUCTS ${USAGE}
        COMMAND sh -c "\"$@\" 2>${USAGE} || { cat ${USAGE} >&2; exit 1; }" sh ${FOVEA_NVCC} -fatbin --resource-usage ${NVCC_FLAGS} ${MORE_NVCC_FLAGS} -MD -MF ${FATBIN}.d -MT ${FATBIN} -o ${FATBIN}
                ${PROJECT_SOURCE_DIR}/kernels/cuda/${NAME}.cu
        DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/${NAME}.cu
        DEPFILE ${FATBIN}.d
        COMMENT "Compiling kernels/cuda/${NAME}.cu"
        VERBATIM)
      list(APPEND FATBINS ${FATBIN})
    endforeach()
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/kernels)
    add_custom_target(fovea_fatbins ALL DEPENDS ${FATBINS})
    install(FILES ${FATBINS} DESTINATION kernels)

    add_library(fovea_cuda SHARED src/cuda/driver.cpp)
    target_include_directories(fovea_cuda PUBLIC include)
    target_link_libraries(fovea_cuda PRIVATE fovea_cuda_launchers ${CMAKE_DL_LIBS})
    fovea_self_contained(fovea_cuda)
    install(TARGETS fovea_cuda LIBRARY DESTINATION ${NATIVES})
  endif()
endif()

if(FOVEA_CUDA_EMULATED)
  add_subdirectory(emulator)
endif()
if(TARGET fovea_emulator)
  fovea_emulate(fovea_emulated_kernels ${CUDA_KERNEL_SOURCES} ${CMAKE_CURRENT_SOURCE_DIR}/emulator/gemm.cu)
  add_library(fovea_cuda_emulated SHARED src/cuda/driver_emulated.cpp)
  target_include_directories(fovea_cuda_emulated PUBLIC include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(
    fovea_cuda_emulated PRIVATE fovea_cuda_launchers fovea_emulated_kernels fovea_emulator Threads::Threads ${CMAKE_DL_LIBS})
  fovea_self_contained(fovea_cuda_emulated)
  install(TARGETS fovea_cuda_emulated LIBRARY DESTINATION ${NATIVES})
endif()

if(FOVEA_TESTS)
  if(TARGET fovea_cuda)
    add_executable(cuda_abi_test test/cuda_abi_test.c)
    target_link_libraries(cuda_abi_test PRIVATE fovea_cuda)
    add_test(NAME cuda_abi_test COMMAND cuda_abi_test)
    add_library(fake_driver SHARED test/fake_driver.c)
    set_target_properties(fake_driver PROPERTIES OUTPUT_NAME cuda SOVERSION 1 LIBRARY_OUTPUT_DIRECTORY fake)
    add_executable(driver_test test/driver_test.cpp)
    target_include_directories(driver_test PRIVATE src ${PROJECT_SOURCE_DIR}/kernels /usr/local/cuda/include)
    # The fake is loaded before libfovea_cuda asks for libcuda.so.1, and found under that name.
    target_link_libraries(driver_test PRIVATE fovea_cuda -Wl,--no-as-needed fake_driver)
    add_test(NAME driver_test COMMAND driver_test ${CMAKE_CURRENT_BINARY_DIR}/kernels)
    if(ARCHITECTURES STREQUAL CUDA_ARCHITECTURES_SHIPPED)
      add_test(NAME cuda_resources COMMAND ${PROJECT_SOURCE_DIR}/kernels/cuda/resources.sh --check ${PROJECT_BINARY_DIR})
    endif()
  endif()
  if(TARGET fovea_cuda_emulated)
    # A libcuda.so.1 in a folder of its own, for LD_LIBRARY_PATH: the cuda backend, JCuda included, on the emulated device.
    add_library(emulated_libcuda SHARED test/emulated_libcuda.cpp src/cuda/driver_emulated.cpp)
    set_target_properties(emulated_libcuda PROPERTIES OUTPUT_NAME cuda SOVERSION 1 LIBRARY_OUTPUT_DIRECTORY libcuda)
    target_include_directories(emulated_libcuda PRIVATE include src ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(emulated_libcuda PRIVATE fovea_emulated_kernels fovea_emulator Threads::Threads ${CMAKE_DL_LIBS})
    # And a libcublas.so.12 in another, whose symbols have the version that JCublas asks for.
    add_library(emulated_libcublas SHARED test/emulated_libcublas.cpp)
    set_target_properties(emulated_libcublas PROPERTIES OUTPUT_NAME cublas SOVERSION 12 LIBRARY_OUTPUT_DIRECTORY libcublas)
    target_include_directories(emulated_libcublas PRIVATE include src ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(emulated_libcublas PRIVATE emulated_libcuda -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/test/emulated_libcublas.map)
    add_executable(cuda_emulated_abi_test test/cuda_abi_test.c)
    target_compile_definitions(cuda_emulated_abi_test PRIVATE FOVEA_TEST_EMULATED)
    target_link_libraries(cuda_emulated_abi_test PRIVATE fovea_cuda_emulated)
    add_test(NAME cuda_emulated_abi_test COMMAND cuda_emulated_abi_test)
    add_executable(cuda_kernel_test test/kernel_test.cpp)
    target_compile_definitions(cuda_kernel_test PRIVATE FOVEA_TEST_CUDA)
    target_include_directories(cuda_kernel_test PRIVATE ${PROJECT_SOURCE_DIR}/kernels)
    target_link_libraries(cuda_kernel_test PRIVATE fovea_cuda_emulated)
    add_test(NAME cuda_kernel_test COMMAND cuda_kernel_test)
    add_executable(cuda_attention_test test/cuda_attention_test.cpp)
    target_include_directories(cuda_attention_test PRIVATE ${PROJECT_SOURCE_DIR}/kernels)
    target_link_libraries(cuda_attention_test PRIVATE fovea_cuda_emulated)
    add_test(NAME cuda_attention_test COMMAND cuda_attention_test)
    # linear_wgmma.cu with one fault each. number: 0 none; from: text of the file, replaced by `to`. Of its kernels one is left.
    set(WGMMA ${PROJECT_SOURCE_DIR}/kernels/cuda/linear_wgmma.cu)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${WGMMA})
    function(wgmma_fault NUMBER FROM TO)
      file(READ ${WGMMA} TEXT)
      string(FIND "${TEXT}" "${FROM}" AT)
      if(AT EQUAL -1)
        message(FATAL_ERROR "linear_wgmma.cu has no '${FROM}' to make fault ${NUMBER} of")
      endif()
      string(REPLACE "${FROM}" "${TO}" TEXT "${TEXT}")
      string(REGEX REPLACE "KERNEL\\(linear_(f16__|bf16__wgmma256)[^\n]*" "" TEXT "${TEXT}")
      string(REPLACE "linear_bf16__wgmma" "linear_bf16__fault${NUMBER}_" TEXT "${TEXT}")
      file(CONFIGURE OUTPUT faults/linear_wgmma_${NUMBER}.cu CONTENT "${TEXT}" @ONLY)
    endfunction()
    wgmma_fault(0 "turn ^= 1;" "turn ^= 1;")
    wgmma_fault(1 "mbarrier_wait(&empty[slot], turn ^ 1);" "")
    wgmma_fault(2 "mbarrier_expect(&full[slot], p.w_aligned ? STAGE : X_BYTES)" "mbarrier_expect(&full[slot], X_BYTES)")
    wgmma_fault(3 "(chunk ^ r % 8) * 16" "chunk * 16")
    wgmma_fault(4 "turn ^= 1;" "turn ^= 0;")
    wgmma_fault(5 "mbarrier_wait(&full[slot], turn);" "")
    wgmma_fault(6 "wgmma_wait<1>();" "")
    wgmma_fault(7 "async_fence();" "")
    wgmma_fault(8 "pdl_wait();" "")
    wgmma_fault(9 "registers_take<232>" "registers_take<240>")
    wgmma_fault(10 "__syncwarp();\n        finish" "finish")
    wgmma_fault(11 "mbarrier_init(&empty[i], 8)" "mbarrier_init(&empty[i], 9)")
    wgmma_fault(12 "tma_load_2d(x, &maps.x, k" "TensorMap copy = maps.x; tma_load_2d(x, &copy, k")
    set(FAULTS "")
    foreach(NUMBER RANGE 12)
      list(APPEND FAULTS ${CMAKE_CURRENT_BINARY_DIR}/faults/linear_wgmma_${NUMBER}.cu)
    endforeach()
    fovea_emulate(wgmma_faults ${FAULTS})
    add_executable(cuda_wgmma_test test/cuda_wgmma_test.cpp)
    target_include_directories(cuda_wgmma_test PRIVATE include ${PROJECT_SOURCE_DIR}/kernels ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(cuda_wgmma_test PRIVATE wgmma_faults fovea_emulator Threads::Threads ${CMAKE_DL_LIBS})
    add_test(NAME cuda_wgmma_test COMMAND cuda_wgmma_test)
    add_executable(cuda_persistent_test test/cuda_persistent_test.cpp)
    target_link_libraries(cuda_persistent_test PRIVATE fovea_cuda_emulated)
    add_test(NAME cuda_persistent_test COMMAND cuda_persistent_test)
    add_executable(cuda_linear_test test/cuda_linear_test.cpp)
    target_include_directories(cuda_linear_test PRIVATE ${PROJECT_SOURCE_DIR}/kernels)
    target_link_libraries(cuda_linear_test PRIVATE fovea_cuda_emulated)
    add_test(NAME cuda_linear_test COMMAND cuda_linear_test)
  endif()
endif()
