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
#ifndef itkNNTestGoldens_h
#define itkNNTestGoldens_h

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace itk
{
namespace nn
{
namespace test
{
/** The folder of the full set of goldens, UNIVERSEG_GOLDENS_DIR; empty when that
 * is not set. */
inline std::string
AllGoldens()
{
  const char * folder = std::getenv("UNIVERSEG_GOLDENS_DIR");
  return folder == nullptr ? "" : folder;
}

/** Path of a golden file: in the checkout's small set, else in the full set;
 * empty when it is in neither. */
inline std::string
FindGolden(const std::string & relativePath)
{
  for (const std::string & folder : { std::string(UNIVERSEG_TEST_GOLDENS), AllGoldens() })
  {
    const std::string path = folder + '/' + relativePath;
    if (!folder.empty() && std::ifstream(path).good())
    {
      return path;
    }
  }
  return "";
}

inline std::string
ReadText(const std::string & path)
{
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}
} // namespace test
} // namespace nn
} // namespace itk

/** Skip the test, and say why, when UNIVERSEG_GOLDENS_DIR is not set. */
#define ITK_NN_REQUIRE_ALL_GOLDENS()                                                                                   \
  if (::itk::nn::test::AllGoldens().empty())                                                                           \
  {                                                                                                                    \
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR, the folder of all golden vectors, is not set";                             \
  }                                                                                                                    \
  static_assert(true, "")

/** Skip the test, and say why, when a golden file is not to be had; fail when it
 * is missing from the full set. */
#define ITK_NN_REQUIRE_GOLDEN(relativePath)                                                                            \
  if (::itk::nn::test::FindGolden(relativePath).empty())                                                               \
  {                                                                                                                    \
    ASSERT_EQ(::itk::nn::test::AllGoldens(), "") << (relativePath) << " is not there";                                 \
    GTEST_SKIP() << (relativePath) << " is only in the wide set of goldens: set UNIVERSEG_GOLDENS_DIR";                \
  }                                                                                                                    \
  static_assert(true, "")

#endif
