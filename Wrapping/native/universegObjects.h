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
#ifndef universegObjects_h
#define universegObjects_h

#include "universegNative.h"

#include "itkSegmentationModel.h"

#include <exception>
#include <stdexcept>
#include <string>

/** Behind every handle: one of the kinds of objects. */
struct UniverSegObject
{
  virtual ~UniverSegObject() = default;
};

struct ModelObject : UniverSegObject
{
  itk::SegmentationModel::Pointer model;
};

/** Of the thread's last call that failed. */
std::string & GetErrorText();

[[noreturn]] inline void
Fail(const std::string & text)
{
  throw std::invalid_argument(text);
}

/** Run f; a failure becomes the error's text and the value for it. */
template <typename TFunction, typename TValue>
TValue
Guard(TValue failed, const TFunction & f)
{
  try
  {
    return f();
  }
  catch (const itk::ExceptionObject & error)
  {
    GetErrorText() = error.GetDescription();
  }
  catch (const std::exception & error)
  {
    GetErrorText() = error.what();
  }
  return failed;
}

template <typename TObject>
TObject &
Get(UniverSegObject * object, const char * what)
{
  auto * typed = dynamic_cast<TObject *>(object);
  if (typed == nullptr)
  {
    Fail(std::string("The handle is not that of a ") + what);
  }
  return *typed;
}

#endif
