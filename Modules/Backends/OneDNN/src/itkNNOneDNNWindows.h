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
#ifndef itkNNOneDNNWindows_h
#define itkNNOneDNNWindows_h

#include "itkNNOneDNNCommon.h"

namespace itk
{
namespace nn
{
namespace onednn
{
// What the operators with windows over channels and pixels share.

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;
constexpr auto f32 = dnnl::memory::data_type::f32;

/** [batch..., channels, spatial...] as [N, C, spatial...]. */
Dims MergeBatch(const Shape & shape, std::size_t rank);

/** The format of a layout for values with channels on the second of some axes. */
Tag TagOf(Layout::Kind kind, std::size_t axes);

/** The layout of what a primitive chose; false when the plan knows no such. */
bool ToLayout(const dnnl::memory::desc & description, int channelAxis, Layout & layout);

/** Layouts to ask for. */
struct LayoutChoice
{
  Tag src;
  Tag dst;
};

/** In turn: channels blocked where they fill the blocks, so that neighbours
 * agree without reorders; what the primitive likes best; what the plan can
 * always give. */
std::vector<LayoutChoice> GetLayoutChoices(const Dims & src, const Dims & dst);

/** Whether a primitive is oneDNN's fallback: another layout may have a better. */
bool IsSlow(const std::string & implementation);

/** Weights as the engine has them, with an axis for groups where there are more than one. */
dnnl::memory::desc PlainWeights(const Shape & shape, std::int64_t groups);

/** oneDNN counts the elements left out. */
Dims ToDilation(const std::vector<std::int64_t> & dilation);
} // namespace onednn
} // namespace nn
} // namespace itk

#endif
