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
#include "itkNNNumPyFile.h"

#include "itkNNTestFiles.h"
#include "itkNNTestHelpers.h"

#include <cstring>

using namespace itk::nn;
using namespace itkNNTest;

namespace
{
/** The text of the header, without the spaces at its end. */
std::string
HeaderOf(const Tensor & tensor)
{
  const TemporaryFolder folder;
  WriteNumPyFile(folder / "a.npy", tensor);
  const std::string bytes = ReadFile(folder / "a.npy");
  const std::size_t end = bytes.find('\n');
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\1\0", 8));
  EXPECT_EQ((end + 1) % 64, 0U);
  EXPECT_EQ(static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]), end + 1 - 10);
  EXPECT_EQ(bytes.size(), end + 1 + tensor.GetNumberOfBytes());
  const std::size_t brace = bytes.find('}');
  EXPECT_EQ(bytes.find_first_not_of(' ', brace + 1), end);
  return bytes.substr(10, brace + 1 - 10);
}
} // namespace

TEST(ModelIONumPyFile, HeadersAreNumPys)
{
  EXPECT_EQ(HeaderOf(Tensor::Zeros({ 2, 3 })), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(HeaderOf(Tensor::Zeros({ 5 }, DataType::UInt8)),
            "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }");
  EXPECT_EQ(HeaderOf(Tensor::Zeros({}, DataType::Int64)), "{'descr': '<i8', 'fortran_order': False, 'shape': (), }");
  const std::vector<std::pair<DataType, std::string>> others = {
    { DataType::Float64, "<f8" }, { DataType::Float16, "<f2" }, { DataType::Int8, "|i1" }, { DataType::Int16, "<i2" },
    { DataType::UInt16, "<u2" },  { DataType::Int32, "<i4" },   { DataType::Bool, "|b1" }
  };
  for (const auto & [type, description] : others)
  {
    EXPECT_NE(HeaderOf(Tensor::Zeros({ 1 }, type)).find("'" + description + "'"), std::string::npos) << description;
  }
  // A long header.
  EXPECT_NE(HeaderOf(Tensor::Zeros(Shape(40, 1))).find("1, 1), }"), std::string::npos);
}

TEST(ModelIONumPyFile, ElementsAreInCOrder)
{
  const TemporaryFolder folder;
  const Tensor tensor = Tensor::FromVector<float>({ 2, 2 }, { 1, 2, 3, 4 }).Permute({ 1, 0 });
  WriteNumPyFile(folder / "a.npy", tensor);
  const std::string bytes = ReadFile(folder / "a.npy");
  std::vector<float> elements(4);
  ASSERT_GE(bytes.size(), 16U);
  std::memcpy(elements.data(), bytes.data() + bytes.size() - 16, 16);
  EXPECT_EQ(elements, (std::vector<float>{ 1, 3, 2, 4 }));
}

TEST(ModelIONumPyFile, Errors)
{
  const TemporaryFolder folder;
  EXPECT_NN_ERROR(WriteNumPyFile(folder / "a.npy", {}), "the tensor is undefined");
  EXPECT_NN_ERROR(WriteNumPyFile(folder / "a.npy", Tensor::Zeros({ 1 }, DataType::BFloat16)), "the tensor is bfloat16");
  EXPECT_NN_ERROR(WriteNumPyFile(folder / "none/a.npy", Tensor::Zeros({ 1 })), "none");
}
