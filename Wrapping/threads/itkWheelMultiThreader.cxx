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
#include "itkMultiThreaderBase.h"
#include "itkPoolMultiThreader.h"

// The itk wheels are built with TBB and share their choice of threader with every
// module in the process; ITK's code in this wheel has no TBB and would refuse.
// The linker sends all its calls of MultiThreaderBase::New() here; TBB's place is
// taken by the pool, which is shared as well.
extern "C" itk::MultiThreaderBase::Pointer
__real__ZN3itk17MultiThreaderBase3NewEv(); // NOLINT(bugprone-reserved-identifier): the linker's name

extern "C" itk::MultiThreaderBase::Pointer
__wrap__ZN3itk17MultiThreaderBase3NewEv() // NOLINT(bugprone-reserved-identifier): the linker's name
{
  if (itk::MultiThreaderBase::GetGlobalDefaultThreader() == itk::MultiThreaderBase::ThreaderEnum::TBB)
  {
    return itk::PoolMultiThreader::New().GetPointer();
  }
  return __real__ZN3itk17MultiThreaderBase3NewEv();
}
