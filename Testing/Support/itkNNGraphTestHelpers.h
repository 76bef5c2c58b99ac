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
#ifndef itkNNGraphTestHelpers_h
#define itkNNGraphTestHelpers_h

#include "itkNNPasses.h"

#include <algorithm>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
inline int
CountOperators(const Graph & graph, const char * name)
{
  return static_cast<int>(std::count_if(graph.GetNodes().begin(),
                                        graph.GetNodes().end(),
                                        [&](const Graph::Node & node)
                                        { return std::string(GetName(node.op)) == name; }));
}

/** Work of the products that weights and constants alone do not determine. */
inline double
CountProductsOfRuns(const Graph & graph)
{
  const std::vector<bool> isConstant = FindStaticValues(graph, {});
  double sum = 0;
  for (const auto & node : graph.GetNodes())
  {
    sum += IsProduct(node.op) && !isConstant[static_cast<std::size_t>(node.output)] ? graph.CountFlops(node) : 0;
  }
  return sum;
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
