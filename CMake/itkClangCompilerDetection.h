/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkClangCompilerDetection_h
#define itkClangCompilerDetection_h

// Included before every source where Clang meets an ITK 5.2 that was built
// with GCC: such an ITK's compiler detection knows GCC only and refuses Clang.
#pragma clang system_header
#if defined(__clang__) && __has_include(<itk_compiler_detection.h>)
#  pragma push_macro("__clang__")
#  pragma push_macro("__GNUC__")
#  undef __clang__
#  undef __GNUC__
#  define __GNUC__ 12
#  include <itk_compiler_detection.h>
#  pragma pop_macro("__GNUC__")
#  pragma pop_macro("__clang__")
#endif

#endif
