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
#ifndef itkNNCudaLibrary_h
#define itkNNCudaLibrary_h

#include "UniverSegCUDAExport.h"
#include "itkNNCudaTable.h"

#include <string>

namespace itk
{
namespace nn
{
namespace cuda
{
/** \class Library
 * \brief The device library: its functions, or why there are none. */
class UniverSegCUDA_EXPORT Library
{
public:
  /** Open a file, or what the loader finds under a name. */
  static Library Open(const std::string & file);

  /** The process's library, searched for and opened in the first call. */
  static const Library & Get();

  /** Null when it could not be opened. */
  const Table * GetTable() const
  {
    return m_Table;
  }
  /** One line; empty when it is open. */
  const std::string & GetReason() const
  {
    return m_Reason;
  }
  int GetNumberOfDevices() const
  {
    return m_NumberOfDevices;
  }

private:
  const Table * m_Table = nullptr;
  std::string m_Reason;
  int m_NumberOfDevices = 0;
};

/** Throws Error with the library's own words when a function of its table failed. */
UniverSegCUDA_EXPORT void Check(const Table & table, int status, const std::string & what);
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
