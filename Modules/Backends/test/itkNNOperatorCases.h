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
#ifndef itkNNOperatorCases_h
#define itkNNOperatorCases_h

#include "itkNNBackendsTestHelpers.h"

namespace itk
{
namespace nn
{
namespace test
{
/** One row of the operator table. */
struct TableRow
{
  std::string name;
  Operator op;
  std::vector<Shape> shapes;
  double low = -1; ///< range of the values
  double high = 1;
  bool quantized = false;          ///< multiples of 1/4: ties and equal values
  bool weightsAreInputs = false;   ///< instead of parameters
  std::vector<double> values = {}; ///< of the first input instead of random ones

  std::vector<Tensor> MakeInputs() const;
};

/** For parameterised tests' messages. */
inline std::ostream &
operator<<(std::ostream & out, const TableRow & row)
{
  out << GetName(row.op) << ' ' << Describe(row.op);
  for (const auto & shape : row.shapes)
  {
    out << ' ' << ToString(shape);
  }
  return out;
}

/** Every operator over a range of shapes and parameters. */
const std::vector<TableRow> & GetOperatorTable();

/** Of the operators in the table, sorted; and a test's name of one. */
std::vector<std::string> GetOperatorNames();
std::string NameOfParameter(const ::testing::TestParamInfo<std::string> & info);
} // namespace test
} // namespace nn
} // namespace itk

#endif
