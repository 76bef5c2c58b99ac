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
#ifndef itkNNCudaSharedLibrary_h
#define itkNNCudaSharedLibrary_h

#include <string>

#ifdef _WIN32
#  include <windows.h>
#else
#  include <dlfcn.h>
#endif

namespace itk
{
namespace nn
{
namespace cuda
{
/** \class SharedLibrary
 * \brief A library that is opened while the program runs, and stays open. */
class SharedLibrary
{
public:
  explicit SharedLibrary(const char * name)
    : m_Name(name)
  {
#ifdef _WIN32
    m_Handle = LoadLibraryA(name);
    m_Reason = m_Handle == nullptr ? "there is no " + m_Name : "";
#else
    m_Handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    m_Reason = m_Handle == nullptr ? "there is no " + m_Name + ": " + dlerror() : "";
#endif
  }

  /** Sets a function; a missing one is the reason why the library cannot be used. */
  template <typename TFunction>
  void Get(const char * name, TFunction & function)
  {
    if (!m_Reason.empty())
    {
      return;
    }
#ifdef _WIN32
    function = reinterpret_cast<TFunction>(GetProcAddress(static_cast<HMODULE>(m_Handle), name));
#else
    function = reinterpret_cast<TFunction>(dlsym(m_Handle, name));
#endif
    if (function == nullptr)
    {
      m_Reason = m_Name + " has no function " + name;
    }
  }

  /** Empty when all that was asked for is there. */
  const std::string & GetReason() const
  {
    return m_Reason;
  }

private:
  std::string m_Name;
  std::string m_Reason;
  void * m_Handle = nullptr;
};
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
