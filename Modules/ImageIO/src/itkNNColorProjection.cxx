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
#include "itkNNColorProjection.h"

#include "itkNNError.h"
#include "itkNNText.h"

#include <vnl/algo/vnl_generalized_eigensystem.h>
#include <vnl/vnl_matrix_fixed.h>
#include <vnl/vnl_vector_fixed.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace itk
{
namespace nn
{
std::string
ColorProjection::ToText() const
{
  std::string text;
  for (const auto & [weight, name] : { std::pair(red, "R"), std::pair(green, "G"), std::pair(blue, "B") })
  {
    if (weight == 0)
    {
      continue;
    }
    text += text.empty() ? (weight < 0 ? "-" : "") : (weight < 0 ? " - " : " + ");
    text += FormatFixed(std::abs(weight), 2) + ' ' + name;
  }
  return text.empty() ? "0" : text;
}

bool
IsColored(const LoadedImage & image)
{
  if (image.components < 3)
  {
    return false;
  }
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    if (image.pixels[i] != image.pixels[i + 1] || image.pixels[i] != image.pixels[i + 2])
    {
      return true;
    }
  }
  return false;
}

Image<float, 3>::Pointer
ToIntensities(const LoadedImage & image, const ColorProjection & projection)
{
  if (image.components < 3)
  {
    return image.geometry;
  }
  auto intensities = Image<float, 3>::New();
  intensities->CopyInformation(image.geometry);
  intensities->SetRegions(image.geometry->GetLargestPossibleRegion());
  intensities->Allocate();
  float * target = intensities->GetBufferPointer();
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    *target++ = static_cast<float>(projection.red * static_cast<double>(image.pixels[i]) +
                                   projection.green * static_cast<double>(image.pixels[i + 1]) +
                                   projection.blue * static_cast<double>(image.pixels[i + 2]));
  }
  return intensities;
}

ColorDiscriminant::Moments &
ColorDiscriminant::Find(std::int32_t label)
{
  const auto found =
    std::find_if(m_Moments.begin(), m_Moments.end(), [label](const Moments & own) { return own.label == label; });
  if (found != m_Moments.end())
  {
    return *found;
  }
  m_Moments.emplace_back().label = label;
  return m_Moments.back();
}

void
ColorDiscriminant::Add(const LoadedImage & image, const std::int32_t * labels, std::size_t count)
{
  itkNNRequireMacro(image.components >= 3,
                    image.fileName << ": the image has " << image.components << " components; it should have colours");
  itkNNRequireMacro(count * image.components == image.pixels.size(),
                    image.fileName << ": there are " << count << " labels for "
                                   << image.pixels.size() / image.components << " pixels");
  for (std::size_t i = 0; i < count; ++i)
  {
    Moments & moments = this->Find(labels[i]);
    const float * pixel = &image.pixels[i * image.components];
    moments.count += 1;
    for (std::size_t row = 0; row < 3; ++row)
    {
      const auto value = static_cast<double>(pixel[row]);
      moments.sum[row] += value;
      for (std::size_t column = 0; column < 3; ++column)
      {
        moments.products[3 * row + column] += value * static_cast<double>(pixel[column]);
      }
    }
  }
}

std::optional<ColorProjection>
ColorDiscriminant::Get() const
{
  using Vector = vnl_vector_fixed<double, 3>;
  using Matrix = vnl_matrix_fixed<double, 3, 3>;
  Matrix within(0.0);
  Vector middle(0.0);
  Vector structures(0.0);
  Vector background(0.0);
  std::vector<Vector> means;
  bool hasBackground = false;
  const auto share = 1 / static_cast<double>(std::max<std::size_t>(m_Moments.size(), 1));
  for (const Moments & moments : m_Moments)
  {
    const Vector mean = Vector(moments.sum.data()) / moments.count;
    within += (Matrix(moments.products.data()) / moments.count - outer_product(mean, mean)) * share;
    middle += mean * share;
    means.push_back(mean);
    hasBackground = hasBackground || moments.label == 0;
    (moments.label == 0 ? background : structures) += mean;
  }
  if (!hasBackground || means.size() < 2)
  {
    return std::nullopt;
  }
  Matrix between(0.0);
  for (const Vector & mean : means)
  {
    between += outer_product(mean - middle, mean - middle) * share;
  }
  // Colours that hardly vary shall not decide.
  constexpr double least = 1e-2;
  const double ridge =
    least * (within(0, 0) + within(1, 1) + within(2, 2)) / 3 + 1e-9 * (1 + middle.squared_magnitude());
  for (unsigned int i = 0; i < 3; ++i)
  {
    within(i, i) += ridge;
  }
  const vnl_generalized_eigensystem system(between.as_ref(), within.as_ref());
  Vector weights(system.V.get_column(2).data_block());
  const double sum = std::abs(weights[0]) + std::abs(weights[1]) + std::abs(weights[2]);
  if (!std::isfinite(sum) || sum == 0)
  {
    return std::nullopt;
  }
  const double rise = dot_product(weights, structures / static_cast<double>(means.size() - 1) - background);
  weights *= (rise < 0 ? -1 : 1) / sum;
  return ColorProjection{ weights[0], weights[1], weights[2] };
}
} // namespace nn
} // namespace itk
