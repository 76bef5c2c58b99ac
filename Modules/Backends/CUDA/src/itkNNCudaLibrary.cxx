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
#include "itkNNCudaLibrary.h"

#include "itkNNError.h"
#include "itksys/DynamicLoader.hxx"
#include "itksys/SystemTools.hxx"

#include <cstdlib>
#include <vector>

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
namespace
{
/** Folder of the program or library that this function is in; empty when unknown. */
std::string
GetOwnFolder()
{
#ifdef _WIN32
  HMODULE module = nullptr;
  char path[4096] = {};
  const bool found =
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       reinterpret_cast<LPCSTR>(&GetOwnFolder),
                       &module) != 0 &&
    GetModuleFileNameA(module, path, sizeof path - 1) > 0;
  return found ? itksys::SystemTools::GetFilenamePath(path) : "";
#else
  Dl_info info{};
  const bool found = dladdr(reinterpret_cast<const void *>(&GetOwnFolder), &info) != 0 && info.dli_fname != nullptr;
  return found ? itksys::SystemTools::GetFilenamePath(itksys::SystemTools::GetRealPath(info.dli_fname)) : "";
#endif
}

std::string
GetLoaderError()
{
  const char * text = itksys::DynamicLoader::LastError();
  return text == nullptr ? "unknown error" : text;
}

/** One that exists, else the name alone, for the loader to find. */
std::string
FindFile()
{
  const char * given = std::getenv("UNIVERSEG_CUDA_LIBRARY");
  if (given != nullptr && *given != '\0')
  {
    return given;
  }
  const std::string name = std::string(itksys::DynamicLoader::LibPrefix()) + "universeg_cuda" +
#ifdef _WIN32
                           ".dll";
#else
                           ".so";
#endif
  const std::string folder = GetOwnFolder();
  for (const auto & candidate : { folder + '/' + name, folder + "/../lib/" + name })
  {
    if (!folder.empty() && itksys::SystemTools::FileExists(candidate, true))
    {
      return candidate;
    }
  }
  return name;
}
} // namespace

Library
Library::Open(const std::string & file)
{
  Library library;
  const auto handle = itksys::DynamicLoader::OpenLibrary(file);
  if (!handle)
  {
    library.m_Reason = "the device library is not there: " + GetLoaderError();
    return library;
  }
  const auto symbol = itksys::DynamicLoader::GetSymbolAddress(handle, getTableName);
  if (symbol == nullptr)
  {
    library.m_Reason = "'" + file + "' is no device library of this project: " + GetLoaderError();
    return library;
  }
  const Table * table = reinterpret_cast<GetTableFunction>(symbol)(tableVersion);
  if (table == nullptr)
  {
    library.m_Reason = "'" + file + "' is of another version than this program";
    return library;
  }
  if (table->CountDevices(&library.m_NumberOfDevices) != 0)
  {
    library.m_Reason = table->GetLastError();
    return library;
  }
  if (library.m_NumberOfDevices == 0)
  {
    library.m_Reason = "there is no CUDA device";
    return library;
  }
  library.m_Table = table;
  return library;
}

const Library &
Library::Get()
{
  static const Library library = Open(FindFile());
  return library;
}

void
Check(const Table & table, int status, const std::string & what)
{
  itkNNRequireMacro(status == 0, what << ": " << table.GetLastError());
}
} // namespace cuda
} // namespace nn
} // namespace itk
