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
#ifndef itkNNError_h
#define itkNNError_h

#include "UniverSegCoreExport.h"
#include "itkMacro.h"

#include <sstream>
#include <string>

namespace itk
{
namespace nn
{
/** \class Error
 * \brief Every failure of the engine and of its file readers.
 *
 * The message names the thing, what it was and what it should be.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Error : public ExceptionObject
{
public:
  Error(std::string file, unsigned int line, std::string message);
  ~Error() override;

  const char * GetNameOfClass() const override
  {
    return "nn::Error";
  }
};

/** \class Cancelled
 * \brief Thrown by a run whose cancellation hook returned true.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Cancelled : public Error
{
public:
  Cancelled(std::string file, unsigned int line, std::string message);
  ~Cancelled() override;

  const char * GetNameOfClass() const override
  {
    return "nn::Cancelled";
  }
};

/** \class OutOfDeviceMemory
 * \brief A device has not as much memory as is asked for: smaller parts may work.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT OutOfDeviceMemory : public Error
{
public:
  OutOfDeviceMemory(std::string file, unsigned int line, std::string message);
  ~OutOfDeviceMemory() override;

  const char * GetNameOfClass() const override
  {
    return "nn::OutOfDeviceMemory";
  }
};
} // namespace nn
} // namespace itk

/** Throw an itk::nn::Error whose message is a streamed expression. */
#define itkNNThrowMacro(x)                                                                                             \
  do                                                                                                                   \
  {                                                                                                                    \
    std::ostringstream itkNNMessage;                                                                                   \
    itkNNMessage << x;                                                                                                 \
    throw ::itk::nn::Error(__FILE__, __LINE__, itkNNMessage.str());                                                    \
  }                                                                                                                    \
  while (false)

/** Throw unless a condition holds. */
#define itkNNRequireMacro(condition, x)                                                                                \
  do                                                                                                                   \
  {                                                                                                                    \
    if (!(condition))                                                                                                  \
    {                                                                                                                  \
      itkNNThrowMacro(x);                                                                                              \
    }                                                                                                                  \
  }                                                                                                                    \
  while (false)

#endif
