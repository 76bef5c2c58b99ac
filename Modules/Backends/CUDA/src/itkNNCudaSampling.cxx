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
#include "itkNNCudaKernel.h"

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
/** What the operators share. */
SamplingParameters
MakeParameters(const Sampling & op, const Image & image, const Image & sampled, const Operand & coordinates)
{
  const Shape & shape = coordinates.type.shape;
  SamplingParameters parameters{};
  parameters.image = image;
  parameters.sampled = sampled;
  parameters.positions = NumberOfElements(Shape(shape.begin() + 2, shape.end()));
  parameters.coordinateStride = shape[0] == 1 ? 0 : shape[1] * parameters.positions;
  parameters.rank = static_cast<std::int32_t>(shape[1]);
  parameters.mode = static_cast<std::int32_t>(op.mode);
  parameters.boundary = static_cast<std::int32_t>(op.boundary);
  parameters.cudaSpatialDeformRules = op.cudaSpatialDeformRules ? 1 : 0;
  parameters.value = op.value;
  return parameters;
}

/** Positions of as many batch elements. */
Space
MakePositions(const Image & sampled, std::int64_t batches)
{
  return MakeSpace({ batches, sampled.extents[2], sampled.extents[3], sampled.extents[4] });
}
} // namespace

Proposal
Propose(const Sampling & op, const OperatorCase & operatorCase)
{
  const Operand & src = operatorCase.inputs[0];
  const Shape & shape = operatorCase.output.shape;
  const std::size_t rank = shape.size() - 2;
  const Layout srcLayout = AcceptedImageLayout(src, rank);
  const Layout dstLayout = GetImageLayout(src, shape, rank);
  SamplingParameters parameters = MakeParameters(
    op, MakeImage(src.type.shape, srcLayout, rank), MakeImage(shape, dstLayout, rank), operatorCase.inputs[1]);
  parameters.space = MakePositions(parameters.sampled, shape[0]);
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, type](Stream & stream, const KernelArguments & arguments)
    {
      SamplingParameters p = parameters;
      p.imageData = arguments.inputs[0];
      p.coordinates = arguments.inputs[1];
      p.dst = arguments.output;
      stream.Launch(KernelId::Sampling, type, p);
    },
    { srcLayout, Layout{} },
    dstLayout);
}

Proposal
Propose(const TransposedSampling & op, const OperatorCase & operatorCase)
{
  const Operand & src = operatorCase.inputs[0];
  const Shape & shape = operatorCase.output.shape;
  const std::size_t rank = op.size.size();
  const Layout srcLayout = AcceptedImageLayout(src, rank);
  const Layout dstLayout = GetImageLayout(src, shape, rank);
  SamplingParameters parameters = MakeParameters(
    op.sampling, MakeImage(shape, dstLayout, rank), MakeImage(src.type.shape, srcLayout, rank), operatorCase.inputs[1]);
  const Image & image = parameters.image;
  parameters.space = MakePositions(parameters.sampled, shape[0]);
  parameters.elements = MakeSpace({ image.extents, image.extents + 5 });
  parameters.rows = MakeSpace({ image.extents[0], image.extents[2], image.extents[3] });
  // Sixteen bits are too few to add in.
  const DataType dataType = operatorCase.output.type;
  const bool addsElsewhere = SizeOf(dataType) < sizeof(float);
  parameters.sums = addsElsewhere ? MakeImage(shape, {}, rank) : parameters.image;
  const std::size_t scratchBytes =
    addsElsewhere ? static_cast<std::size_t>(parameters.elements.count) * sizeof(float) : 0;
  const bool deterministic = operatorCase.deterministic;
  const ElementType type = ToElementType(dataType);
  return MakeProposal(
    [parameters, addsElsewhere, deterministic, type](Stream & stream, const KernelArguments & arguments)
    {
      SamplingParameters p = parameters;
      p.sampledData = arguments.inputs[0];
      p.coordinates = arguments.inputs[1];
      p.dst = arguments.output;
      p.sumData = addsElsewhere ? arguments.scratch : arguments.output;
      const auto launch = [&](SamplingPhase phase)
      {
        p.phase = static_cast<std::int32_t>(phase);
        stream.Launch(KernelId::TransposedSampling, type, p);
      };
      if (deterministic)
      {
        launch(SamplingPhase::Own);
      }
      else
      {
        launch(SamplingPhase::Clear);
        launch(SamplingPhase::Add);
      }
      if (addsElsewhere)
      {
        launch(SamplingPhase::Store);
      }
    },
    { srcLayout, Layout{} },
    dstLayout,
    scratchBytes);
}

Proposal
Propose(const SamplingCoordinatesGradient & op, const OperatorCase & operatorCase)
{
  const Operand & gradient = operatorCase.inputs[0];
  const Operand & src = operatorCase.inputs[1];
  const std::size_t rank = src.type.shape.size() - 2;
  const Layout gradientLayout = AcceptedImageLayout(gradient, rank);
  const Layout srcLayout = AcceptedImageLayout(src, rank);
  SamplingParameters parameters = MakeParameters(op.sampling,
                                                 MakeImage(src.type.shape, srcLayout, rank),
                                                 MakeImage(gradient.type.shape, gradientLayout, rank),
                                                 operatorCase.inputs[2]);
  parameters.space = MakePositions(parameters.sampled, operatorCase.output.shape[0]);
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, type](Stream & stream, const KernelArguments & arguments)
    {
      SamplingParameters p = parameters;
      p.sampledData = arguments.inputs[0];
      p.imageData = arguments.inputs[1];
      p.coordinates = arguments.inputs[2];
      p.dst = arguments.output;
      stream.Launch(KernelId::SamplingCoordinatesGradient, type, p);
    },
    { gradientLayout, srcLayout, Layout{} });
}
} // namespace cuda
} // namespace nn
} // namespace itk
